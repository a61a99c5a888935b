-- Health of an EdgeCluster: Healthy while all wanted nodes are claimed and ready and nothing is being changed.
local health = {status = "Progressing", message = "Waiting for the operator"}

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

if holds("Stalled") then
  health.status = "Degraded"
  health.message = because(conditions.Stalled)
elseif holds("Paused") then
  health.status = "Suspended"
  health.message = because(conditions.Paused)
elseif holds("Reconciling") then
  health.message = because(conditions.Reconciling)
elseif holds("Ready") then
  health.status = "Healthy"
  health.message = because(conditions.Ready)
elseif conditions.Ready ~= nil then
  health.message = because(conditions.Ready)
end

return health
