--[[
Purpose: write or renew the entry of a mapper, and keep its name in the list of all that run.
KEYS[1]  the entry: a string that expires
KEYS[2]  the list: a sorted set of ids, by the ms since 1970 at which their entry expires
ARGV[1]  id of the mapper
ARGV[2]  what it says about itself
ARGV[3]  ms for which the entry lasts
Returns  1
]]
local entry, list = KEYS[1], KEYS[2]
local id, text, lastsMs = ARGV[1], ARGV[2], tonumber(ARGV[3])

local time = redis.call('TIME')
local nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('SET', entry, text, 'PX', lastsMs)
redis.call('ZADD', list, nowMs + lastsMs, id)
-- Those that have ended without a word.
redis.call('ZREMRANGEBYSCORE', list, '-inf', nowMs)
redis.call('PEXPIRE', list, lastsMs)
return 1
