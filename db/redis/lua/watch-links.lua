--[[
Purpose: say which links are watched by a process, and learn which ones are watched by any.
KEYS[1]   the watched links: sorted set of their keys, by the time in ms at which nobody watches them any more
ARGV[1]   how long this watching lasts, in ms
ARGV[2]   most links that may be watched
ARGV[3]   most links of one owner that may be watched
ARGV[4]   a link that was not watched again for this long, in ms, makes room for another one
ARGV[5]   what the name of a stream of clicks begins with
ARGV[6]   what the name of the watched links of an owner begins with: a set like KEYS[1]
ARGV[7…]  of each link that this process watches: its key, its owner
Returns   {keys of all watched links, keys of our links for which there is no room}
]]
local watched = KEYS[1]
local lastsMs, most, mostOfOwner, staleMs = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local prefix, ownerPrefix = ARGV[5], ARGV[6]

local time = redis.call('TIME')
local nowMs = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', watched, '-inf', nowMs)

-- Whether one more link may be in a set, after those that nobody watches any more have left it.
local function hasRoom(set, bound)
  while redis.call('ZCARD', set) >= bound do
    local oldest = redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')
    if tonumber(oldest[2]) > nowMs + lastsMs - staleMs then return false end
    redis.call('ZREM', set, oldest[1])
    redis.call('ZREM', watched, oldest[1])
    redis.call('DEL', prefix .. oldest[1])
  end
  return true
end

local refused = {}
for index = 7, #ARGV, 2 do
  local key, ofOwner = ARGV[index], ownerPrefix .. ARGV[index + 1]
  redis.call('ZREMRANGEBYSCORE', ofOwner, '-inf', nowMs)
  local isWatched = redis.call('ZSCORE', watched, key)
  if isWatched or (hasRoom(ofOwner, mostOfOwner) and hasRoom(watched, most)) then
    redis.call('ZADD', watched, nowMs + lastsMs, key)
    redis.call('ZADD', ofOwner, nowMs + lastsMs, key)
    redis.call('PEXPIRE', ofOwner, lastsMs)
    local stream = prefix .. key
    -- So that a reader has a place from which it reads on.
    if redis.call('EXISTS', stream) == 0 then redis.call('XADD', stream, '*', 'h', 0, 'b', 0, 'd', '[]') end
    redis.call('PEXPIRE', stream, lastsMs)
  else
    refused[#refused + 1] = key
  end
end
return { redis.call('ZRANGE', watched, 0, -1), refused }
