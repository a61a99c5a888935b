-- Health of a QuantumJob: Healthy once it is Complete, Degraded once it has Failed.
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

if holds("Complete") then
  health.status = "Healthy"
  health.message = because(conditions.Complete)
elseif holds("Failed") then
  health.status = "Degraded"
  health.message = because(conditions.Failed)
elseif holds("Stalled") then
  health.status = "Degraded"
  health.message = because(conditions.Stalled)
elseif holds("Paused") then
  health.status = "Suspended"
  health.message = because(conditions.Paused)
elseif holds("Suspended") then
  health.status = "Suspended"
  health.message = because(conditions.Suspended)
elseif holds("Reconciling") then
  health.message = because(conditions.Reconciling)
end

return health
