#pragma once

#include <string>
#include <string_view>

// Old registries as their tools wrote them.

namespace pm::test {

// streamers.json of pctl: one that runs, one that was stopped.
constexpr std::string_view old_streamers = R"({
  "elk-streamer-myenv": {
    "name": "elk-streamer-myenv",
    "connection_profile": "myenv",
    "pid": 4242,
    "status": "running",
    "start_time": "2025-11-20T10:11:12.345678+00:00",
    "stop_time": null,
    "components": ["api", "worker"],
    "log_level": "INFO",
    "log_file": "/var/log/pctl/elk-streamer-myenv.log",
    "elasticsearch_url": "http://localhost:9200",
    "batch_size": 500,
    "flush_interval": 2.5
  },
  "elk-streamer-old": {
    "name": "elk-streamer-old",
    "connection_profile": "old",
    "pid": 17,
    "status": "stopped",
    "start_time": "2025-11-19T08:00:00Z",
    "stop_time": "2025-11-19T09:30:00Z",
    "components": [],
    "log_level": "DEBUG",
    "log_file": "logs/old.log",
    "elasticsearch_url": null,
    "batch_size": 50,
    "flush_interval": 5
  }
}
)";

// processes.json before it had a format number: one handle of each type.
constexpr std::string_view old_handles = R"([
  {
    "handle_id": "web",
    "process_type": "cli_command",
    "created_at": "2025-11-20T10:11:12Z",
    "command_or_func": ["nginx", "-g", "daemon off;"],
    "pid": 4242,
    "log_file": "web.log",
    "working_dir": "/srv/web",
    "env_vars": {"PORT": "8080"},
    "status": "running",
    "exit_code": null,
    "last_updated": "2025-11-20T10:12:00Z"
  },
  {
    "handle_id": "etl",
    "process_type": "python_function",
    "created_at": "2025-11-20T07:00:00Z",
    "command_or_func": "jobs.etl:main",
    "pid": 4300,
    "log_file": null,
    "working_dir": null,
    "env_vars": null,
    "status": "failed",
    "exit_code": 3,
    "last_updated": "2025-11-20T07:05:00Z"
  },
  {
    "handle_id": "health-monitor",
    "process_type": "async_task",
    "created_at": "2025-11-20T07:00:00Z",
    "command_or_func": "monitor",
    "pid": null,
    "log_file": null,
    "working_dir": null,
    "env_vars": {},
    "status": "running",
    "exit_code": null,
    "last_updated": "2025-11-20T07:00:00Z"
  },
  {
    "handle_id": "line",
    "process_type": "cli_command",
    "created_at": "2025-11-20T07:00:00Z",
    "command_or_func": "sleep 1 && echo done",
    "pid": null,
    "log_file": null,
    "working_dir": "jobs",
    "env_vars": {},
    "status": "killed",
    "exit_code": -9,
    "last_updated": "2025-11-20T07:01:00Z"
  }
]
)";

// `text` with the first `from` replaced.
inline std::string replaced(std::string_view text, std::string_view from,
                            std::string_view to) {
  std::string result{text};
  auto at = result.find(from);
  if (at == std::string::npos)
    throw from;
  return result.replace(at, from.size(), to);
}

} // namespace pm::test
