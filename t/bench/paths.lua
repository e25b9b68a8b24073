-- wrk: GET of the paths in the file SCIM_BENCH_PATHS, in turn.
local headers = {
    ["Authorization"] = "Bearer " .. os.getenv("SCIM_TOKEN"),
    ["Accept"] = "application/scim+json",
}
local paths = {}
for line in io.lines(os.getenv("SCIM_BENCH_PATHS")) do
    paths[#paths + 1] = "/scim/v2" .. line
end
local number = 0

request = function()
    number = number % #paths + 1
    return wrk.format("GET", paths[number], headers)
end
