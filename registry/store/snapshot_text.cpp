#include "registry/store/snapshot_text.hpp"

#include "registry/store/journal_frame.hpp"
#include <pm/json_fields.hpp>

namespace pm {

namespace {

// The end of the text: `"checksum": "crc32c:89abcdef"}` and a newline. It
// covers all that stands before it.
constexpr std::string_view checksum_begin = "\"checksum\": \"crc32c:";
constexpr std::string_view checksum_end = "\"}\n";
constexpr size_t checksum_digits = 8;
constexpr size_t checksum_size =
  checksum_begin.size() + checksum_digits + checksum_end.size();

std::string checksum_line(std::string_view covered) {
  return fmt::format("{}{:08x}{}", checksum_begin, crc32c(covered),
                     checksum_end);
}

void put(rapidjson::StringBuffer& to, std::string_view text) {
  for (auto c : text)
    to.Put(c);
}

// A record as one flat object: the definition's fields, and `state`.
void write_process(rapidjson::StringBuffer& to, const process_record& x) {
  json::writer out{to};
  out.StartObject();
  json::write_sparse_fields(out, x.definition);
  out.Key("state");
  json::write_sparse(out, x.state);
  out.EndObject();
}

expected<process_record> read_process(const json::value& in,
                                      const std::string& id) {
  process_record x;
  if (auto ok = json::read_fields(in, x.definition, id); !ok)
    return tl::make_unexpected(ok.error());
  if (x.definition.handle_id != id)
    return fail(ec::format_refused, "{}: its handle_id is '{}'", id,
                x.definition.handle_id);
  if (auto ok = check_handle_id(id); !ok)
    return tl::make_unexpected(ok.error());
  if (auto found = in.FindMember("state"); found != in.MemberEnd())
    if (auto ok = json::read(found->value, x.state, id + ".state"); !ok)
      return tl::make_unexpected(ok.error());
  return x;
}

void read_processes(const json::value& in, snapshot& to) {
  for (auto& member : in.GetObject()) {
    std::string id{member.name.GetString(), member.name.GetStringLength()};
    auto x = read_process(member.value, id);
    if (x)
      to.contents.processes[id].change(false) = std::move(*x);
    else
      to.problems.push_back(x.error().text);
  }
}

struct snapshot_head {
  uint64_t generation = 0;
  uint64_t sequence = 0;
  node_mark node{true, {}, {}};
  std::vector<request_mark> requests;
  std::vector<ended_run> ended;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("generation", x.generation),
                 field("sequence", x.sequence), field("node", x.node),
                 field("requests", x.requests), field("ended", x.ended));
  }
};

// Asks for a format that we can read. Nothing may be touched otherwise.
expected<void> check_format(const json::value& document,
                            std::string_view name) {
  auto found = document.FindMember("format");
  if (found == document.MemberEnd() || !found->value.IsInt64())
    return fail(ec::format_refused,
                "{} is not a registry of this program: it has no format "
                "number; nothing was touched",
                name);
  auto format = found->value.GetInt64();
  if (format != snapshot_format)
    return fail(ec::format_refused,
                "{} has format {}, and this program knows {}: another version "
                "wrote it; nothing was touched",
                name, format, snapshot_format);
  return {};
}

bool ends_with_checksum(std::string_view text) noexcept {
  if (text.size() < checksum_size || !text.ends_with(checksum_end))
    return false;
  text.remove_prefix(text.size() - checksum_size);
  return text.starts_with(checksum_begin);
}

tl::unexpected<error> damaged(std::string_view name, std::string_view why) {
  return fail(ec::storage_failed, "{} is damaged: {}", name, why);
}

} // namespace

std::string encode_snapshot(const frozen_contents& x, uint64_t generation) {
  rapidjson::StringBuffer buffer;
  put(buffer,
      fmt::format("{{\"format\": {}, \"generation\": {}, "
                  "\"sequence\": {},\n\"node\": {},\n\"requests\": [",
                  snapshot_format, generation, x.sequence, to_json(x.mark)));
  for (auto* between = "\n"; auto& request : x.requests) {
    put(buffer, between);
    put(buffer, to_sparse_json(request));
    between = ",\n";
  }
  put(buffer, "],\n\"ended\": [");
  for (auto* between = "\n"; auto& x_ended : x.ended) {
    put(buffer, between);
    put(buffer, to_sparse_json(*x_ended.run));
    between = ",\n";
  }
  put(buffer, "],\n\"processes\": {");
  for (auto* between = "\n"; auto& record : x.processes) {
    put(buffer, between);
    json::writer key{buffer};
    json::write_text(key, record->definition.handle_id);
    put(buffer, ": ");
    write_process(buffer, *record);
    between = ",\n";
  }
  put(buffer, "\n},\n");
  put(buffer, checksum_line({buffer.GetString(), buffer.GetSize()}));
  return {buffer.GetString(), buffer.GetSize()};
}

expected<snapshot> decode_snapshot(std::string_view name,
                                   std::string_view text) {
  auto sealed = ends_with_checksum(text);
  if (sealed) {
    auto covered = text.substr(0, text.size() - checksum_size);
    if (text.substr(covered.size()) != checksum_line(covered))
      return damaged(name, "its checksum does not match");
  }
  rapidjson::Document document;
  if (auto ok = json::parse(document, text); !ok)
    return damaged(name, ok.error().text);
  if (!document.IsObject())
    return fail(ec::format_refused,
                "{} is not a registry of this program: not an object; nothing "
                "was touched",
                name);
  if (!sealed && document.HasMember("checksum"))
    return damaged(name, "its checksum is not at its end");
  if (auto ok = check_format(document, name); !ok)
    return tl::make_unexpected(ok.error());
  snapshot_head head;
  if (auto ok = json::read(document, head, {}); !ok)
    return damaged(name, ok.error().text);
  snapshot result;
  result.generation = head.generation;
  result.contents.sequence = head.sequence;
  result.contents.mark = std::move(head.node);
  for (auto& run : head.ended)
    result.contents.ended.push_back(
      {head.sequence, std::make_shared<const ended_run>(std::move(run))});
  result.contents.requests.assign(head.requests.begin(), head.requests.end());
  if (!sealed)
    result.problems.push_back("it has no checksum, and is taken as it is");
  auto processes = document.FindMember("processes");
  if (processes == document.MemberEnd() || !processes->value.IsObject())
    return damaged(name, "it has no processes");
  read_processes(processes->value, result);
  return result;
}

} // namespace pm
