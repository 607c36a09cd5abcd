--[[
Purpose: announce a new reign over a keys-db to this pool, which then refuses the deliveries of older reigns.
Never lowers the epoch.
KEYS[1]  the pool: list of ready keys
KEYS[2]  the producer state of one keys-db: hash {epoch, seq, claimed_to}
KEYS[3]  the incarnation of this Redis: a string
KEYS[4]  the keyspace that the pool belongs to: a string
ARGV[1]  the new epoch
ARGV[2]  a random id: becomes the incarnation if this Redis has none (it is new, or has lost its data)
ARGV[3]  our keyspace; empty to compare nothing
Returns  {result, stored epoch, stored seq, incarnation, level}; result is 'ok', or 'fenced' (a later reign)
]]
local pool, state, incarnationKey, keyspaceKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local epoch, candidate, ours = tonumber(ARGV[1]), ARGV[2], ARGV[3]

local refusal = refusalOf(keyspaceKey, ours, true)
if refusal then return refusal end
local impossible, storedEpoch, storedSeq = readState(state)
if impossible then return impossible end

redis.call('SETNX', incarnationKey, candidate)
local result = 'fenced'
if epoch >= storedEpoch then
  redis.call('HSET', state, 'epoch', ARGV[1])
  result, storedEpoch = 'ok', epoch
end
return { result, storedEpoch, storedSeq, redis.call('GET', incarnationKey), redis.call('LLEN', pool) }
