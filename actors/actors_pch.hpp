#pragma once

// What nearly every source of this room includes, compiled once.

#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <pm/actors.hpp>
