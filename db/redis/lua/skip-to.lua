--[[
Purpose: after a loss of data in this pool, move seq over the parts recorded as lost, so that the next part is
accepted.
KEYS[1]  the producer state of one keys-db: hash {epoch, seq}
KEYS[2]  the incarnation of this Redis: a string
ARGV[1]  epoch of the reign that recorded the loss
ARGV[2]  the stored seq that it has just read
ARGV[3]  the seq to store: that of the next part, minus one
ARGV[4]  a random id: becomes the incarnation if this Redis has none
Returns  {result, stored epoch, stored seq}; result is 'ok', 'fenced' (a later reign is stored) or
         'moved' (another seq is stored)
]]
local state, incarnationKey = KEYS[1], KEYS[2]
local epoch, fromSeq, toSeq, candidate = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]

local stored = redis.call('HMGET', state, 'epoch', 'seq')
local storedEpoch, storedSeq = tonumber(stored[1] or 0), tonumber(stored[2] or 0)

if epoch < storedEpoch then return { 'fenced', storedEpoch, storedSeq } end
if storedSeq ~= fromSeq or toSeq < fromSeq then return { 'moved', storedEpoch, storedSeq } end

redis.call('SETNX', incarnationKey, candidate)
redis.call('HSET', state, 'epoch', ARGV[1], 'seq', ARGV[3])
return { 'ok', epoch, toSeq }
