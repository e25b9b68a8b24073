-- Redis: users of one team from a template, as the functions write them.
-- KEYS: prefix of the workspace; ARGV: template record, id in it, group,
-- first, last.
local prefix, template, id, group = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
id = string.gsub(id, '-', '%%-')
for i = tonumber(ARGV[4]), tonumber(ARGV[5]) do
    local new = string.format('01900000-0000-7000-8000-%012x', i)
    local user = prefix .. 'user:' .. new
    local record = string.gsub(template, 'TEMPLATE', tostring(i))
    redis.call('SET', user, (string.gsub(record, id, new)))
    redis.call('SETRANGE', user, 46, '1')
    redis.call('ZADD', prefix .. 'users', 0, new)
    redis.call('ZADD', prefix .. 'group:' .. group .. ':members', 0,
        'U' .. new)
    redis.call('ZADD', user .. ':groups', 0, group)
    redis.call('ZADD', prefix .. 'team:' .. group .. ':members', 0, new)
    redis.call('ZADD', user .. ':teams', 0, group)
end
return tonumber(ARGV[5])
