--[[
Purpose: return keys that were taken and not used to the head of the pool, first key first.
KEYS[1]  the pool: list of ready keys
ARGV[1]  length of one key in characters
ARGV[2]  the keys, packed end to end
Returns  the level after it
]]
local pool = KEYS[1]
local keyLength, packed = tonumber(ARGV[1]), ARGV[2]

if #packed % keyLength ~= 0 then return redis.error_reply('ERR the packed keys are no multiple of the key length') end

-- LPUSH turns the order round, so walk from the last key to the first; in chunks, as unpack fails at 8,000 values.
local chunk, count = {}, 0
for at = #packed - keyLength + 1, 1, -keyLength do
  count = count + 1
  chunk[count] = string.sub(packed, at, at + keyLength - 1)
  if count == 7000 then
    redis.call('LPUSH', pool, unpack(chunk, 1, count))
    count = 0
  end
end
if count > 0 then redis.call('LPUSH', pool, unpack(chunk, 1, count)) end
return redis.call('LLEN', pool)
