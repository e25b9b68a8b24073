-- Calls to an app that are no task's first: pages of lists, and what else a task
-- needs.  They count towards the app's limits as all others do.

do -- a scope of its own: a chunk holds 200 local names at most

-- call_start <app> <id> <lease ms> <a page of a list 0|1>: may it be made?  A
-- page takes a place until call_end, or until its lease is over.  Answers OK,
-- WAIT <ms>, or PAUSED <ms>: the app asked for it
register('call_start', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local wait, paused = delivery.further(c, args[4], args[5],
        tonumber(args[6]), args[7] == '1')
    if wait > 0 then
        return { paused and 'PAUSED' or 'WAIT', number_text(wait) }
    end
    return { 'OK' }
end, { 'allow-oom' })

-- call_end <app> <id> <health: ok|failed|limited|empty> <why> <calls a second>
-- <pause ms> <learned calls a second or empty> <ms that these hold>: the page
-- is read.  Answers OK <the app has more tasks 0|1> <down|up|empty>
register('call_end', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local app, health, changed = args[4], args[6], ''
    local pause, learned = tonumber(args[9]), tonumber(args[10])
    delivery.listed(c, app, args[5])
    if health == 'ok' or health == 'failed' then
        changed = delivery.note(c, app, health, args[7])
    elseif health == 'limited' then
        delivery.slow_down(c, app, tonumber(args[8]), pause)
    end
    if pause > 0 then
        delivery.pause(c, app, pause)
    end
    if learned then
        delivery.learn(c, app, learned, tonumber(args[11]))
    end
    return { 'OK', delivery.more(c, app), changed }
end, { 'allow-oom' })

end
