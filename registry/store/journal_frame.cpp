#include "registry/store/journal_frame.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include <isa-l/crc.h>

namespace pm {

static_assert(std::endian::native == std::endian::little,
              "the journal is little-endian");

namespace {

constexpr size_t crc_piece_max = 1u << 30; // the library counts in int

// Offsets in the journal's header and in a frame's.
constexpr size_t header_format_at = 8;
constexpr size_t header_crc_at = 12;
constexpr size_t header_generation_at = 16;
constexpr size_t header_base_at = 24;
constexpr size_t frame_crc_at = 4;
constexpr size_t frame_sequence_at = 8;
constexpr size_t frame_type_at = 16;
constexpr size_t frame_flags_at = 17;
constexpr size_t frame_zeros_at = 18;

constexpr uint8_t flag_more = 1;
constexpr uint8_t flag_continued = 2;
constexpr uint8_t flag_settled = 4;
constexpr uint8_t flags_all = flag_more | flag_continued | flag_settled;

template <class T>
void put(std::string& to, T x) {
  to.append(reinterpret_cast<const char*>(&x), sizeof x);
}

template <class T>
T get(std::string_view from, size_t at) noexcept {
  T x{};
  std::memcpy(&x, from.data() + at, sizeof x);
  return x;
}

// Goes on with an uninverted CRC. ISA-L takes its bytes without const, and
// changes none.
uint32_t crc_over(std::string_view bytes, uint32_t crc) noexcept {
  while (!bytes.empty()) {
    auto piece = bytes.substr(0, crc_piece_max);
    crc = crc32_iscsi(
      reinterpret_cast<unsigned char*>(const_cast<char*>(piece.data())),
      static_cast<int>(piece.size()), crc);
    bytes.remove_prefix(piece.size());
  }
  return crc;
}

// The checksum of two pieces, between which it stands itself.
uint32_t crc_around(std::string_view before, std::string_view behind) noexcept {
  return ~crc_over(behind, crc_over(before, ~0u));
}

uint32_t header_crc(std::string_view header) noexcept {
  return crc_around(header.substr(0, header_crc_at),
                    header.substr(header_generation_at));
}

uint32_t frame_crc(std::string_view whole) noexcept {
  return crc_around(whole.substr(0, frame_crc_at),
                    whole.substr(frame_sequence_at));
}

} // namespace

uint32_t crc32c(std::string_view bytes) noexcept {
  return crc_around(bytes, {});
}

std::string encode_journal_header(const journal_header& x) {
  std::string bytes{journal_magic};
  put(bytes, journal_format);
  put(bytes, uint32_t{0}); // the checksum, once the rest stands
  put(bytes, x.generation);
  put(bytes, x.base);
  auto crc = header_crc(bytes);
  std::memcpy(bytes.data() + header_crc_at, &crc, sizeof crc);
  return bytes;
}

std::optional<journal_header> decode_journal_header(std::string_view bytes,
                                                    bool& newer) noexcept {
  newer = false;
  auto header = bytes.substr(0, journal_header_size);
  if (header.size() < journal_header_size || !header.starts_with(journal_magic)
      || get<uint32_t>(header, header_crc_at) != header_crc(header))
    return std::nullopt;
  auto format = get<uint32_t>(header, header_format_at);
  newer = format > journal_format;
  if (format != journal_format)
    return std::nullopt;
  return journal_header{get<uint64_t>(header, header_generation_at),
                        get<uint64_t>(header, header_base_at)};
}

void append_frame(std::string& to, const frame& x) {
  auto begin = to.size();
  put(to, static_cast<uint32_t>(x.payload.size()));
  put(to, uint32_t{0}); // the checksum, once the rest stands
  put(to, x.sequence);
  put(to, x.type);
  put(to, static_cast<uint8_t>((x.more ? flag_more : 0)
                               | (x.continued ? flag_continued : 0)
                               | (x.settled ? flag_settled : 0)));
  put(to, uint16_t{0});
  to += x.payload;
  auto crc = frame_crc(std::string_view{to}.substr(begin));
  std::memcpy(to.data() + begin + frame_crc_at, &crc, sizeof crc);
}

std::optional<frame> decode_frame(std::string_view bytes) noexcept {
  if (bytes.size() < frame_header_size)
    return std::nullopt;
  auto length = get<uint32_t>(bytes, 0);
  auto flags = get<uint8_t>(bytes, frame_flags_at);
  if (length > frame_payload_max || bytes.size() - frame_header_size < length
      || flags > flags_all || get<uint16_t>(bytes, frame_zeros_at) != 0)
    return std::nullopt;
  auto whole = bytes.substr(0, frame_header_size + length);
  if (frame_crc(whole) != get<uint32_t>(bytes, frame_crc_at))
    return std::nullopt;
  return frame{get<uint64_t>(bytes, frame_sequence_at),
               get<uint8_t>(bytes, frame_type_at),
               (flags & flag_more) != 0,
               whole.substr(frame_header_size),
               whole.size(),
               (flags & flag_continued) != 0,
               (flags & flag_settled) != 0};
}

size_t find_frame(std::string_view bytes, size_t from,
                  uint64_t after) noexcept {
  for (; from + frame_header_size <= bytes.size(); ++from)
    if (auto x = decode_frame(bytes.substr(from)); x && x->sequence > after)
      return from;
  return std::string_view::npos;
}

} // namespace pm
