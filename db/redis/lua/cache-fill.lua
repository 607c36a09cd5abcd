--[[
Purpose: store a link that was read from the database, unless its key was invalidated after that read began.
KEYS[1]  the entry: a string that expires
KEYS[2]  versions: hash of stripe -> random text
ARGV[1]  the stripe of the key
ARGV[2]  the version returned before the database was read
ARGV[3]  the entry
ARGV[4]  its time to live in ms
Returns  1 if it was stored, else 0
]]
local entry, versions = KEYS[1], KEYS[2]
local stripe, version, value, ttlMs = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

if redis.call('HGET', versions, stripe) ~= version then return 0 end
redis.call('SET', entry, value, 'PX', ttlMs)
return 1
