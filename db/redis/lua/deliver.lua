--[[
Purpose: append one part of a batch, at most once, in order, and only for the newest reign over the keys-db.
KEYS[1]  the pool: list of ready keys
KEYS[2]  the producer state of one keys-db: hash {epoch, seq, claimed_to}
ARGV[1]  epoch of the delivering reign
ARGV[2]  seq of this part, counted per keys-db and pool
ARGV[3]  the claim mark after this batch: no higher id has been issued; 0 for keys that are claimed again
ARGV[4]  length of one key in characters
ARGV[5]  the keys, concatenated; may be empty (measured: 1.4 times the speed of one argument per key)
Returns  {result, stored epoch, stored seq, level}; result is 'ok', 'duplicate', 'fenced' or 'gap'
]]
local pool, state = KEYS[1], KEYS[2]
local epoch, seq, claimedTo = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local keyLength, packed = tonumber(ARGV[4]), ARGV[5]

local stored = redis.call('HMGET', state, 'epoch', 'seq', 'claimed_to')
local storedEpoch, storedSeq = tonumber(stored[1] or 0), tonumber(stored[2] or 0)

if epoch < storedEpoch then return { 'fenced', storedEpoch, storedSeq, redis.call('LLEN', pool) } end
if seq <= storedSeq then return { 'duplicate', storedEpoch, storedSeq, redis.call('LLEN', pool) } end
if seq ~= storedSeq + 1 then return { 'gap', storedEpoch, storedSeq, redis.call('LLEN', pool) } end

local refusal = pushKeys('RPUSH', pool, keyLength, packed)
if refusal then return refusal end

-- Last: if a command above fails, the part counts as not delivered and is sent again.
local isHigher = claimedTo > (tonumber(stored[3]) or -1)
redis.call('HSET', state, 'epoch', ARGV[1], 'seq', ARGV[2], 'claimed_to', isHigher and ARGV[3] or stored[3])
return { 'ok', epoch, seq, redis.call('LLEN', pool) }
