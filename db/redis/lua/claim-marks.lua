--[[
Purpose: read the claim marks of several keys-dbs, as delivered to this pool.
KEYS     the producer states: hashes {epoch, seq, claimed_to}
Returns  one entry for each, in order; an empty string where there is no mark
]]
local marks = {}
for i, state in ipairs(KEYS) do marks[i] = redis.call('HGET', state, 'claimed_to') or '' end
return marks
