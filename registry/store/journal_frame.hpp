#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// The framing of the journal (registry/format.md), and nothing of its meaning.

namespace pm {

constexpr std::string_view journal_magic = "pmjournl";
constexpr uint32_t journal_format = 1;
constexpr size_t journal_header_size = 32;
constexpr size_t frame_header_size = 20;
constexpr uint32_t frame_payload_max = 16u << 20;

// CRC32C (Castagnoli) as in RFC 3720, appendix B.4.
uint32_t crc32c(std::string_view bytes) noexcept;

// How a journal begins.
struct journal_header {
  uint64_t generation = 0; // of the snapshot that it was begun for
  uint64_t base = 0;       // sequence number before its first record

  bool operator==(const journal_header&) const = default;
};

std::string encode_journal_header(const journal_header& x);

// The header at the front of `bytes`, or none if there is none intact of our
// format; `newer` is set if it is one of a newer program.
std::optional<journal_header> decode_journal_header(std::string_view bytes,
                                                    bool& newer) noexcept;

// A record as it stands in the journal.
struct frame {
  uint64_t sequence = 0;
  uint8_t type = 0;
  bool more = false;        // the next record belongs to the same group
  std::string_view payload; // into the bytes that it was read from
  size_t size = 0;          // with its header
  bool continued = false;   // the record before belongs to the same group
  bool settled = false;     // all before it in its file was durable already
};

// Appends a frame of `x`, whose `size` is not looked at. The payload has at
// most `frame_payload_max` bytes.
void append_frame(std::string& to, const frame& x);

// The frame that begins at the front of `bytes`; none if it is not whole or
// not intact.
std::optional<frame> decode_frame(std::string_view bytes) noexcept;

// Where the next intact frame with a sequence number above `after` begins, at
// `from` or behind it; npos if there is none.
size_t find_frame(std::string_view bytes, size_t from, uint64_t after) noexcept;

} // namespace pm
