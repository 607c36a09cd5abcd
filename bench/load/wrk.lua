-- Purpose: the requests of a bench, made ready beforehand, so that making them costs the machine little.
-- ARGS (after --): mode, then
--   keys FILE LENGTH OFFSET COUNT   GET /{key}, key by key of FILE (no separators) from the OFFSET-th on, COUNT of them, round and round
--   shorten LABEL                   POST /urls with 4,096 different targets, round and round
-- Prints one line at the end: KEYMILL requests microseconds status-errors other-errors p50 p99 (the last two in microseconds)

local ready = {}
local next_at = 0

local function ready_keys(file, length, offset, count)
  local handle = assert(io.open(file, 'rb'))
  handle:seek('set', offset * length)
  local text = handle:read(count * length)
  handle:close()
  local tail = ' HTTP/1.1\r\nHost: ' .. wrk.headers['Host'] .. '\r\n\r\n'
  for i = 1, #text / length do
    ready[i] = 'GET /' .. text:sub((i - 1) * length + 1, i * length) .. tail
  end
end

local function ready_shortens(label)
  local headers = { ['Content-Type'] = 'application/json' }
  for i = 1, 4096 do
    local body = string.format('{"long_url":"https://example.com/articles/%s/%08d?from=bench"}', label, i)
    ready[i] = wrk.format('POST', '/urls', headers, body)
  end
end

function init(args)
  if args[1] == 'keys' then
    ready_keys(args[2], tonumber(args[3]), tonumber(args[4]), tonumber(args[5]))
  else
    ready_shortens(args[2])
  end
  assert(#ready > 0, 'there is nothing to send')
end

function request()
  next_at = next_at % #ready + 1
  return ready[next_at]
end

function done(summary, latency)
  local errors = summary.errors
  local others = errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format('KEYMILL %d %d %d %d %d %d\n', summary.requests, summary.duration, errors.status, others,
    latency:percentile(50), latency:percentile(99)))
end
