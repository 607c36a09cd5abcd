--[[
Purpose: a function for the scripts that push keys. The program puts this text in front of them.
]]

-- Splits packed keys and pushes them: RPUSH from the first key on, LPUSH from the last one back, so that the list order
-- is the packed order. Returns nothing, or an error reply when the packed keys are not a multiple of the key length.
local function pushKeys(command, pool, keyLength, packed)
  if #packed % keyLength ~= 0 then return redis.error_reply('ERR the packed keys are no multiple of the key length') end
  local first, last, step = 1, #packed, keyLength
  if command == 'LPUSH' then first, last, step = #packed - keyLength + 1, 1, -keyLength end

  -- unpack fails at 8,000 values ("too many results to unpack"), so push in chunks below it.
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
