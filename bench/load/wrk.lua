-- Purpose: sends the requests of a bench. They are made beforehand, so that sending one costs little CPU.
-- ARGS (after --): mode, then
--   keys FILE LENGTH OFFSET COUNT   GET /{key} for COUNT keys of FILE (no separators) from the OFFSET-th on,
--                                   again and again
--   shorten LABEL CLIENTS [KEYS]    POST /urls with 4,096 different targets, again and again; for so many
--                                   clients behind a proxy (0: without X-Forwarded-For); with the keys of the
--                                   file KEYS, one a line, in turn
--   picture FILE CLIENTS            POST /images with the bytes of FILE, a PNG, again and again, for so many
--                                   clients behind a proxy in turn
-- Prints one line at the end: KEYMILL requests microseconds status-errors other-errors p50 p99
-- (p50 and p99 in microseconds)

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

-- A POST with its headers in this order. wrk.format would choose another one in each run.
local function post(path, headers, body)
  local host = 'Host: ' .. wrk.headers['Host']
  local length = 'Content-Length: ' .. #body
  return table.concat({ 'POST ' .. path .. ' HTTP/1.1', host, headers, length, '', body }, '\r\n')
end

local function ready_shortens(label, clients, key_file)
  local keys = {}
  if key_file then
    for key in io.lines(key_file) do keys[#keys + 1] = key end
  end
  for i = 1, 4096 do
    local headers = 'Content-Type: application/json'
    if key_file then headers = headers .. '\r\nAuthorization: Bearer ' .. keys[(i - 1) % #keys + 1] end
    if clients > 0 then
      local client = (i - 1) % clients
      local address = string.format('198.51.%d.%d', math.floor(client / 256), client % 256)
      headers = headers .. '\r\nX-Forwarded-For: ' .. address
    end
    local body = string.format('{"long_url":"https://example.com/articles/%s/%08d?from=bench"}', label, i)
    ready[i] = post('/urls', headers, body)
  end
end

local function ready_picture(file, clients)
  local handle = assert(io.open(file, 'rb'))
  local bytes = handle:read('*a')
  handle:close()
  for client = 1, clients do
    local headers = 'Content-Type: image/png\r\nX-Forwarded-For: 198.51.100.' .. client
    ready[client] = post('/images', headers, bytes)
  end
end

function init(args)
  if args[1] == 'keys' then
    ready_keys(args[2], tonumber(args[3]), tonumber(args[4]), tonumber(args[5]))
  elseif args[1] == 'picture' then
    ready_picture(args[2], tonumber(args[3]))
  else
    ready_shortens(args[2], tonumber(args[3]), args[4])
  end
  assert(#ready > 0, 'no requests to send')
end

function request()
  next_at = next_at % #ready + 1
  return ready[next_at]
end

function done(summary, latency)
  local errors = summary.errors
  local others = errors.connect + errors.read + errors.write + errors.timeout
  local counts = string.format('%d %d %d %d', summary.requests, summary.duration, errors.status, others)
  io.write(string.format('KEYMILL %s %d %d\n', counts, latency:percentile(50), latency:percentile(99)))
end
