-- Health of an EdgeNode: Healthy while its agent is ready and its heartbeat is fresh.
local health = {status = "Progressing", message = "Waiting for the agent"}

if obj.status == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return health
end

local conditions = {}
for _, condition in ipairs(obj.status.conditions or {}) do
  conditions[condition.type] = condition
end

local function holds(name)
  return conditions[name] ~= nil and conditions[name].status == "True"
end

local function because(condition)
  if condition.message == nil or condition.message == "" then
    return condition.reason
  end
  return condition.reason .. ": " .. condition.message
end

local ready = conditions.Ready
if holds("Stalled") then
  health.status = "Degraded"
  health.message = because(conditions.Stalled)
elseif ready ~= nil and ready.status ~= "True" and ready.reason == "HeartbeatLost" then
  -- it worked and does so no longer: somebody should look, though it may come back by itself
  health.status = "Degraded"
  health.message = because(ready)
elseif holds("Draining") then
  health.status = "Suspended"
  health.message = because(conditions.Draining)
elseif holds("Reconciling") then
  health.message = because(conditions.Reconciling)
elseif holds("Ready") then
  health.status = "Healthy"
  health.message = because(ready)
elseif ready ~= nil then
  health.message = because(ready)
end

return health
