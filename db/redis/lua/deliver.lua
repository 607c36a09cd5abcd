--[[
Purpose: append one part of a batch, at most once, in order, and only for the newest reign over the keys-db.
KEYS[1]  the pool: list of ready keys
KEYS[2]  the producer state of one keys-db: hash {epoch, seq, claimed_to}
KEYS[3]  the keyspace that the pool belongs to: a string
ARGV[1]  epoch of the delivering reign
ARGV[2]  seq of this part, counted per keys-db and pool
ARGV[3]  the claim mark after this batch: no higher id has been issued; 0 for keys that are claimed again
ARGV[4]  length of one key in characters
ARGV[5]  the keys, concatenated; may be empty (measured: 1.4 times the speed of one argument per key)
ARGV[6]  our keyspace; empty to compare nothing
Returns  {result, stored epoch, stored seq, level}; result is 'ok', 'duplicate', 'fenced' or 'gap'
]]
local pool, state, keyspaceKey = KEYS[1], KEYS[2], KEYS[3]
local epoch, seq, claimedTo = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local keyLength, packed, ours = tonumber(ARGV[4]), ARGV[5], ARGV[6]

local refusal = refusalOf(keyspaceKey, ours, true)
if refusal then return refusal end
local impossible, storedEpoch, storedSeq, storedMark = readState(state)
if impossible then return impossible end

if epoch < storedEpoch then return { 'fenced', storedEpoch, storedSeq, redis.call('LLEN', pool) } end
if seq <= storedSeq then return { 'duplicate', storedEpoch, storedSeq, redis.call('LLEN', pool) } end
if seq ~= storedSeq + 1 then return { 'gap', storedEpoch, storedSeq, redis.call('LLEN', pool) } end

local malformed = pushKeys('RPUSH', pool, keyLength, packed)
if malformed then return malformed end

-- Last: if a command above fails, the part counts as not delivered and is sent again.
if claimedTo >= storedMark then
  redis.call('HSET', state, 'epoch', ARGV[1], 'seq', ARGV[2], 'claimed_to', ARGV[3])
else
  redis.call('HSET', state, 'epoch', ARGV[1], 'seq', ARGV[2])
end
return { 'ok', epoch, seq, redis.call('LLEN', pool) }
