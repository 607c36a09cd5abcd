--[[
Purpose: add clicks to the stream of a watched link. If nobody watches it any more, nothing happens.
KEYS[1]  the stream of its clicks; see watch-links.lua
ARGV[1]  about how many entries it keeps
ARGV[2]  clicks of people
ARGV[3]  clicks of bots
ARGV[4]  what is known about some of them, as JSON
Returns  whether they were added: 1 or 0
]]
local stream = KEYS[1]
local most, humans, bots, details = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

-- Without an end of its own it would stay for ever.
if redis.call('EXISTS', stream) == 0 then return 0 end
redis.call('XADD', stream, 'MAXLEN', '~', most, '*', 'h', humans, 'b', bots, 'd', details)
return 1
