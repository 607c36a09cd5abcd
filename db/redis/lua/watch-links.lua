--[[
Purpose: say which links are watched by a process, and learn which ones are watched by any.
KEYS[1]   the watched links: sorted set of their keys, by the time in ms at which nobody watches them any more
ARGV[1]   how long this watching lasts, in ms
ARGV[2]   most links that may be watched
ARGV[3]   a link that was not watched again for this long, in ms, makes room for another one
ARGV[4]   what the name of a stream of clicks begins with
ARGV[5…]  keys of the links that this process watches
Returns   {keys of all watched links, keys of our links for which there is no room}
]]
local watched = KEYS[1]
local lastsMs, most, staleMs, prefix = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]

local time = redis.call('TIME')
local nowMs = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', watched, '-inf', nowMs)
local refused = {}
for index = 5, #ARGV do
  local key = ARGV[index]
  local isWatched = redis.call('ZSCORE', watched, key)
  while not isWatched and redis.call('ZCARD', watched) >= most do
    local oldest = redis.call('ZRANGE', watched, 0, 0, 'WITHSCORES')
    if tonumber(oldest[2]) > nowMs + lastsMs - staleMs then break end
    redis.call('ZREM', watched, oldest[1])
    redis.call('DEL', prefix .. oldest[1])
  end
  if isWatched or redis.call('ZCARD', watched) < most then
    redis.call('ZADD', watched, nowMs + lastsMs, key)
    local stream = prefix .. key
    -- So that a reader has a place from which it reads on.
    if redis.call('EXISTS', stream) == 0 then redis.call('XADD', stream, '*', 'h', 0, 'b', 0, 'd', '[]') end
    redis.call('PEXPIRE', stream, lastsMs)
  else
    refused[#refused + 1] = key
  end
end
return { redis.call('ZRANGE', watched, 0, -1), refused }
