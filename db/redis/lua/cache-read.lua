--[[
Purpose: read a cached link, or return the version under which it may be stored.
KEYS[1]  the entry: a string that expires
KEYS[2]  versions: hash of stripe -> random text; an invalidation of a key changes its stripe's; never expires
ARGV[1]  the stripe of the key
ARGV[2]  a random text: becomes the version if the stripe has none
Returns  {entry or nil, its remaining time in ms, version}
]]
local entry, versions = KEYS[1], KEYS[2]
local stripe, candidate = ARGV[1], ARGV[2]

local value = redis.call('GET', entry)
if value then return { value, redis.call('PTTL', entry), '' } end
redis.call('HSETNX', versions, stripe, candidate)
return { false, 0, redis.call('HGET', versions, stripe) }
