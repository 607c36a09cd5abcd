--[[
Purpose: count one request of a client. The window of a client begins with its first request.
KEYS[1]  the counter: a number that expires
ARGV[1]  length of the window in ms
Returns  {count, this request included; ms until the window is over}
]]
local counter = KEYS[1]
local windowMs = tonumber(ARGV[1])

local count = redis.call('INCR', counter)
local remainingMs = redis.call('PTTL', counter)
-- New, or without an end because somebody has removed it.
if remainingMs < 0 then
  redis.call('PEXPIRE', counter, windowMs)
  remainingMs = windowMs
end
return { count, remainingMs }
