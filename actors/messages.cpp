#include <pm/messages.hpp>

#include <pm/json_fields.hpp>

namespace pm {

PM_INSTANTIATE_JSON(request_context)
PM_INSTANTIATE_JSON(change_outcome)
PM_INSTANTIATE_JSON(named_outcome)
PM_INSTANTIATE_JSON(apply_report)
PM_INSTANTIATE_JSON(graph_node)
PM_INSTANTIATE_JSON(list_filter)
PM_INSTANTIATE_JSON(run_request)
PM_INSTANTIATE_JSON(registry_change)
PM_INSTANTIATE_JSON(run_exit)
PM_INSTANTIATE_JSON(process_reasons)
PM_INSTANTIATE_JSON(recovery_report)
PM_INSTANTIATE_JSON(recovered_run)

} // namespace pm
