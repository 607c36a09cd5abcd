--[[
Purpose: after a loss of data in this pool, move seq over the parts recorded as lost, so that the next part is
accepted.
KEYS[1]  the producer state of one keys-db: hash {epoch, seq, claimed_to}
KEYS[2]  the incarnation of this Redis: a string
KEYS[3]  the keyspace that the pool belongs to: a string
ARGV[1]  epoch of the reign that recorded the loss
ARGV[2]  the stored seq that it has just read
ARGV[3]  the seq to store: that of the next part, minus one
ARGV[4]  a random id: becomes the incarnation if this Redis has none
ARGV[5]  our keyspace; empty to compare nothing
Returns  {result, stored epoch, stored seq}; result is 'ok', 'fenced' (a later reign is stored) or
         'moved' (another seq is stored)
]]
local state, incarnationKey, keyspaceKey = KEYS[1], KEYS[2], KEYS[3]
local epoch, fromSeq, toSeq, candidate = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local ours = ARGV[5]

local refusal = refusalOf(keyspaceKey, ours, true)
if refusal then return refusal end
local impossible, storedEpoch, storedSeq = readState(state)
if impossible then return impossible end

if epoch < storedEpoch then return { 'fenced', storedEpoch, storedSeq } end
if storedSeq ~= fromSeq or toSeq < fromSeq then return { 'moved', storedEpoch, storedSeq } end

redis.call('SETNX', incarnationKey, candidate)
redis.call('HSET', state, 'epoch', ARGV[1], 'seq', ARGV[3])
return { 'ok', epoch, toSeq }
