-- Writes one contact, all or nothing. KEYS[1]: its record, by token. ARGV: version, as_of, reader's
-- key (the contact in the clear; '' once erased), set of the tokens of that key, then field, value ….
-- Answers 0 where the record is newer; the same version mends it. Reads come first: an error then leaves nothing half.
local record, version, as_of, reader, tokens = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local held = redis.call('HMGET', record, 'version', 'reader', 'tokens')
if held[1] and tonumber(held[1]) > tonumber(version) then return 0 end
local named = reader ~= ''
if not named then reader, tokens = held[2] or '', held[3] or '' end
local others = {}
if reader ~= '' then
  for _, key in ipairs(redis.call('SMEMBERS', tokens)) do
    if key ~= record then others[#others + 1] = redis.call('HGETALL', key) end
  end
end

redis.call('DEL', record)
redis.call('HSET', record, 'version', version, 'as_of', as_of, unpack(ARGV, 5))
if reader == '' then return 1 end
if named then
  redis.call('HSET', record, 'reader', reader, 'tokens', tokens)
  redis.call('SADD', tokens, record)
  others[#others + 1] = redis.call('HGETALL', record)
else
  redis.call('SREM', tokens, record)
end

-- The readers' hash: where a contact has two tokens (the key of the tokens was changed), both must
-- allow it. A token answers by the brand's own field, else that of brands not named, else '*'.
redis.call('DEL', reader)
local all, fields, oldest = {}, {}, nil
for i, flat in ipairs(others) do
  all[i] = {}
  for j = 1, #flat, 2 do
    all[i][flat[j]] = flat[j + 1]
    if string.find(flat[j], ':', 1, true) and string.sub(flat[j], 1, 4) ~= 'why:' then
      fields[flat[j]] = true
    end
  end
  local at = tonumber(all[i].as_of) or 0
  if oldest == nil or at < oldest then oldest = at end
end
if oldest == nil then return 1 end
redis.call('HSET', reader, 'as_of', string.format('%d', oldest))
for field in pairs(fields) do
  local pair, brand = string.match(field, '^([^:]*:[^:]*:)(.*)$')
  local least, why = nil, nil
  for _, one in ipairs(all) do
    local name = field
    if not one[name] and brand ~= '*' then name = pair end
    if not one[name] then name = pair .. '*' end
    local till = one[name] or '0'
    if least == nil or tonumber(till) < tonumber(least) then least, why = till, one['why:' .. name] end
  end
  redis.call('HSET', reader, field, least)
  if why then redis.call('HSET', reader, 'why:' .. field, why) end
end
return 1
