--[[
Purpose: functions for the scripts of a pool, which refuse the pool of another keyspace and values that cannot
be right. redis-scripts.ts puts this text in front of them. pool-replies.ts translates the error codes FOREIGN
and IMPOSSIBLE.
]]

-- As in runtime/stored-values.ts: 2^53 - 1 - 2^32.
local MAX_COUNT = 9007194959773695

-- A text that an error reply may contain: one line, not long.
local function shown(text)
  return (string.gsub(string.sub(text, 1, 200), '%c', '?'))
end

-- An error reply if the pool belongs to another keyspace than `ours`. If the pool records none, it belongs to
-- everybody; `mayRecord` then makes it ours. An empty `ours` compares nothing.
local function refusalOf(keyspaceKey, ours, mayRecord)
  if ours == '' then return nil end
  local stored = redis.call('GET', keyspaceKey)
  if stored and stored ~= ours then return redis.error_reply('FOREIGN ' .. shown(stored)) end
  if not stored and mayRecord then redis.call('SET', keyspaceKey, ours) end
  return nil
end

-- Returns nil, epoch, seq, claimed_to of a producer state, or an error reply if one of them is no count.
local function readState(state)
  local fields = { 'epoch', 'seq', 'claimed_to' }
  local stored = redis.call('HMGET', state, unpack(fields))
  local counts = {}
  for i, field in ipairs(fields) do
    local text = stored[i] or '0'
    local count = #text <= 16 and string.match(text, '^%d+$') and tonumber(text)
    if not count or count > MAX_COUNT then
      return redis.error_reply('IMPOSSIBLE ' .. field .. ' of ' .. state .. ' is ' .. shown(text))
    end
    counts[i] = count
  end
  return nil, counts[1], counts[2], counts[3]
end
