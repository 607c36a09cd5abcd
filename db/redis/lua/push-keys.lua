--[[
Purpose: a function for the scripts that push keys. redis-scripts.ts puts this text in front of them.
]]

-- Splits concatenated keys and pushes them, RPUSH from the first key to the last, LPUSH from the last to the
-- first, so that their order in the list is the same. Returns an error reply if the keys are not of
-- `keyLength`, else nothing.
local function pushKeys(command, pool, keyLength, packed)
  if #packed % keyLength ~= 0 then
    return redis.error_reply('ERR the packed keys are no multiple of the key length')
  end
  local first, last, step = 1, #packed, keyLength
  if command == 'LPUSH' then first, last, step = #packed - keyLength + 1, 1, -keyLength end

  -- unpack fails at 8,000 values ("too many results to unpack"), so push in smaller chunks.
  local chunk, count = {}, 0
  for at = first, last, step do
    count = count + 1
    chunk[count] = string.sub(packed, at, at + keyLength - 1)
    if count == 7000 then
      redis.call(command, pool, unpack(chunk, 1, count))
      count = 0
    end
  end
  if count > 0 then redis.call(command, pool, unpack(chunk, 1, count)) end
end
