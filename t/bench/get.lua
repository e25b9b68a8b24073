-- wrk: reads users by id in turn; SCIM_BENCH_IDS is a file of ids.
local token = os.getenv("SCIM_TOKEN")
local ids = {}
for line in io.lines(os.getenv("SCIM_BENCH_IDS")) do
    ids[#ids + 1] = "/scim/v2/Users/" .. line
end
local headers = {
    ["Authorization"] = "Bearer " .. token,
    ["Accept"] = "application/scim+json",
}
local number = 0

request = function()
    number = number % #ids + 1
    return wrk.format("GET", ids[number], headers)
end
