-- ARGV: a token's time in microseconds, burst, up to, least, want, back, used,
-- state, and for a quota the end of its window in milliseconds.
-- Answer: got, left, retry after in microseconds, state.
local inc, burst, upto = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local least, want = tonumber(ARGV[4]), tonumber(ARGV[5])
local back, spent = tonumber(ARGV[6]), tonumber(ARGV[7])
local ends = tonumber(ARGV[9])
local now = redis.call('TIME')
local sec, us = tonumber(now[1]), tonumber(now[2])
local never = 86400e6
local need = math.max(least, 1)
local old = redis.call('GET', KEYS[1])

local function take(room)
  local n = math.min(want, room)
  if n < least or n < 0 then return 0 end
  return n
end

local function answer(got, left, retry, state)
  return string.format('%.0f %.0f %.0f %s', got, math.max(left, 0), retry, state)
end

if ends then
  local function count(s)
    return s and #s <= 15 and tonumber(string.match(s, '^%d+$')) or nil
  end
  local used, write = count(old), back > 0 or spent > 0
  if not used then
    used = count(ARGV[8]) or 0
    write = write or used > 0
  end
  used = math.max(math.min(math.max(used, burst), used + spent) - back, 0)
  local got = take(upto - used)
  used = used + got
  local value = string.format('%.0f', used)
  local left = (ends - sec * 1000) * 1000 - us
  if got > 0 or write then
    redis.call('SET', KEYS[1], value, 'PX', string.format('%.0f', math.max(math.ceil(left / 1000), 0) + 60000))
  end
  local retry = 0
  if need > upto then
    retry = math.max(left, never)
  elseif used + need > upto then
    retry = math.max(left, 1000)
  end
  return answer(got, burst - used, retry, value)
end

-- The debt is a time, kept as the moment at which it is paid off. Seconds and
-- microseconds apart: together they would not fit into a double.
-- With it the time of the largest burst that is still owed: the rate may differ
-- from call to call, and a smaller burst forgives nothing of a larger one.
local function read(s)
  local a, b, most = string.match(s or '', '^(%d+) (%d+%.?%d*) ?(%d*)$')
  return a and (tonumber(a) - sec) * 1e6 + (tonumber(b) - us), tonumber(most) or 0
end

local full = burst * inc
local debt, most = read(old)
local write = false
if not debt then
  old = nil
  debt, most = read(ARGV[8])
  debt = debt or 0
  write = debt > 0
end
if debt <= full or not most or most <= full + 1 then most = full end
if debt > most + inc then
  debt, write = most, true -- no takes lead there: a clock went back
end
debt = math.max(debt, 0)
if spent > 0 then
  debt, write = math.min(math.max(debt, full), debt + spent * inc), true
end
if back > 0 and debt > 0 then
  debt, write = math.max(debt - back * inc * (1 - 1e-15), 0), true
end

-- A millionth of a token is no reason to refuse; it is charged all the same.
local function room(ceiling)
  return math.floor((ceiling * inc - debt) / inc + 1e-6)
end

local got = take(room(upto))
local state = old or ''
if got > 0 or write then
  -- Rounded up, and down what came back: no rounding ever adds to what is admitted.
  debt = (debt + got * inc) * (1 + 4e-16) + 1e-9
  local paid = us + debt
  local s = math.floor(paid / 1e6)
  state = string.format('%.0f %.9f %.0f', sec + s, paid - s * 1e6, math.ceil(most))
  -- As long as any state told before is of the future, the key lives: who comes
  -- with an old one must not bring back a debt that others have taken away.
  local live = math.ceil(debt / 1000)
  if old then
    live = math.max(live, math.min(redis.call('PTTL', KEYS[1]) - 1000, math.ceil(most / 1000)))
  end
  redis.call('SET', KEYS[1], state, 'PX', string.format('%.0f', live + 1000))
end
local retry = 0
if need > upto then
  retry = never
elseif room(upto) < need then
  retry = math.max(math.ceil(debt + (need - upto) * inc), 1)
end
return answer(got, room(burst), retry, state)
