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

-- The count that a field of a producer state holds, 0 if it holds none; nil if it is no count.
local function countOf(text)
  if not text then return 0 end
  local count = #text <= 16 and not string.find(text, '%D') and tonumber(text)
  return count and count <= MAX_COUNT and count or nil
end

-- Returns nil, epoch, seq, claimed_to of a producer state, or an error reply if one of them is no count.
-- Every delivery calls it, so it makes no table.
local function readState(state)
  local stored = redis.call('HMGET', state, 'epoch', 'seq', 'claimed_to')
  local epoch, seq, claimedTo = countOf(stored[1]), countOf(stored[2]), countOf(stored[3])
  if epoch and seq and claimedTo then return nil, epoch, seq, claimedTo end
  local field = not epoch and 1 or not seq and 2 or 3
  local name = ({ 'epoch', 'seq', 'claimed_to' })[field]
  return redis.error_reply('IMPOSSIBLE ' .. name .. ' of ' .. state .. ' is ' .. shown(stored[field]))
end
