-- Redis: users from a template, as the directory function writes them.
-- KEYS: prefix of the workspace; ARGV: template record, id in it, first, last.
local prefix, template, id = KEYS[1], ARGV[1], ARGV[2]
local indexes = { userName = 'name%d@example.com', externalId = 'external%d',
    displayName = 'display%d', ['emails.value'] = 'name%d@example.com' }
for i = tonumber(ARGV[3]), tonumber(ARGV[4]) do
    local new = string.format('01900000-0000-7000-8000-%012x', i)
    local record = string.gsub(template, 'TEMPLATE', tostring(i))
    record = string.gsub(record, string.gsub(id, '-', '%%-'), new)
    redis.call('SET', prefix .. 'user:' .. new, record)
    redis.call('ZADD', prefix .. 'users', 0, new)
    for attribute, value in pairs(indexes) do
        redis.call('ZADD', prefix .. 'index:user:' .. attribute, 0,
            string.format(value, i) .. '\0' .. new)
    end
end
return tonumber(ARGV[4])
