#pragma once

#include <string_view>

namespace pm {

// Tells whoever runs this node as a service (sd_notify(3), $NOTIFY_SOCKET)
// "READY=1", "STOPPING=1" and the like. Without one, nothing happens.
void tell_service_manager(std::string_view state) noexcept;

} // namespace pm
