#include "ngx_http_scim_directives.h"

#define NGX_HTTP_SCIM_SCHEMA_SIZE_MAX  (1024 * 1024)
#define NGX_HTTP_SCIM_PASSWORD_MAX     512


static char *ngx_http_scim_redis_address(ngx_conf_t *cf,
    ngx_http_scim_main_conf_t *smcf, ngx_str_t *value);
static char *ngx_http_scim_redis_parameter(ngx_conf_t *cf,
    ngx_http_scim_main_conf_t *smcf, ngx_str_t *value);


char *
ngx_http_scim_set_redis(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char                       *rv;
    ngx_str_t                  *value = cf->args->elts;
    ngx_uint_t                  i;
    ngx_http_scim_main_conf_t  *smcf = conf;

    if (smcf->redis_path.len || smcf->redis_host.len) {
        return "is duplicate";
    }

    rv = ngx_http_scim_redis_address(cf, smcf, &value[1]);

    for (i = 2; i < cf->args->nelts && rv == NGX_CONF_OK; i++) {
        rv = ngx_http_scim_redis_parameter(cf, smcf, &value[i]);
    }

    if (rv == NGX_CONF_OK && smcf->redis_user.len
        && smcf->redis_password.len == 0)
    {
        return "has a user but no password_file";
    }

    return rv;
}


static char *
ngx_http_scim_redis_address(ngx_conf_t *cf, ngx_http_scim_main_conf_t *smcf,
    ngx_str_t *value)
{
    u_char     *host;
    size_t      len;
    ngx_url_t   url;

    ngx_memzero(&url, sizeof(ngx_url_t));
    url.url = *value;
    url.default_port = 6379;

    if (ngx_parse_url(cf->pool, &url) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s in scim_redis \"%V\"",
                           url.err ? url.err : "invalid address", value);
        return NGX_CONF_ERROR;
    }

    if (url.family == AF_UNIX) {
        smcf->redis_path.len = value->len - (sizeof("unix:") - 1);
        smcf->redis_path.data = value->data + sizeof("unix:") - 1;
        return NGX_CONF_OK;
    }

    /* resolved here, once: hiredis would block on a name */
    host = ngx_pnalloc(cf->pool, NGX_SOCKADDR_STRLEN + 1);
    if (host == NULL) {
        return NGX_CONF_ERROR;
    }

    /* without port, and so without the brackets that hiredis does not take */
    len = ngx_sock_ntop(url.addrs[0].sockaddr, url.addrs[0].socklen, host,
                        NGX_SOCKADDR_STRLEN, 0);

    host[len] = '\0';
    smcf->redis_host.data = host;
    smcf->redis_host.len = len;
    smcf->redis_port = ngx_inet_get_port(url.addrs[0].sockaddr);

    return NGX_CONF_OK;
}


/* The file's first line, so that no secret is in the configuration. */
static char *
ngx_http_scim_read_password(ngx_conf_t *cf, ngx_str_t *name,
    ngx_str_t *password)
{
    u_char     *p, line[NGX_HTTP_SCIM_PASSWORD_MAX];
    ssize_t     n;
    ngx_file_t  file;

    if (ngx_conf_full_name(cf->cycle, name, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&file, sizeof(ngx_file_t));
    file.name = *name;
    file.log = cf->log;
    file.fd = ngx_open_file(name->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (file.fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_open_file_n " \"%V\" failed", name);
        return NGX_CONF_ERROR;
    }

    n = ngx_read_file(&file, line, sizeof(line), 0);
    ngx_close_file(file.fd);

    p = n > 0 ? ngx_strlchr(line, line + n, '\n') : NULL;
    password->len = p ? (size_t) (p - line) : (size_t) ngx_max(n, 0);

    if (password->len == 0 || password->len == sizeof(line)) {
        return "needs a password file whose first line is the password";
    }

    password->data = ngx_pnalloc(cf->pool, password->len);
    if (password->data == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memcpy(password->data, line, password->len);
    ngx_explicit_memzero(line, sizeof(line));

    return NGX_CONF_OK;
}


static char *
ngx_http_scim_redis_parameter(ngx_conf_t *cf, ngx_http_scim_main_conf_t *smcf,
    ngx_str_t *value)
{
    ngx_int_t  n;
    ngx_str_t  rest;

    if (ngx_strncmp(value->data, "user=", 5) == 0) {
        smcf->redis_user.data = value->data + 5;
        smcf->redis_user.len = value->len - 5;
        return NGX_CONF_OK;
    }

    if (ngx_strncmp(value->data, "password_file=", 14) == 0) {
        rest.data = value->data + 14;
        rest.len = value->len - 14;
        return ngx_http_scim_read_password(cf, &rest, &smcf->redis_password);
    }

    if (ngx_strncmp(value->data, "connections=", 12) == 0) {
        n = ngx_atoi(value->data + 12, value->len - 12);
        if (n < 1 || n > 64) {
            return "has connections outside 1 to 64";
        }
        smcf->redis_connections = n;
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown parameter \"%V\" of scim_redis", value);
    return NGX_CONF_ERROR;
}


char *
ngx_http_scim_set_policy(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    u_char                     *p;
    ngx_str_t                  *value = cf->args->elts;
    ngx_uint_t                  i;
    const char                **list;
    ngx_http_scim_main_conf_t  *smcf = conf;

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_strcmp(value[i].data, "loopback") == 0) {
            smcf->policy.allow_loopback = true;
            continue;
        }

        if (ngx_strcmp(value[i].data, "private") == 0) {
            smcf->policy.allow_private = true;
            continue;
        }

        if (ngx_strncmp(value[i].data, "env=", 4) == 0) {
            list = &smcf->policy.secret_env;
            p = value[i].data + 4;

        } else if (ngx_strncmp(value[i].data, "file=", 5) == 0) {
            list = &smcf->policy.secret_files;
            p = value[i].data + 5;

        } else {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "unknown scim_connector_policy \"%V\"",
                               &value[i]);
            return NGX_CONF_ERROR;
        }

        if (*list) {
            return "names one kind of secret twice; separate with commas";
        }

        *list = (char *) p;
        for ( /* void */ ; *p; p++) {
            if (*p == ',') {
                *p = ' ';
            }
        }
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_scim_read_schema(ngx_conf_t *cf, ngx_str_t *name,
    scim_schema_file_t *schema)
{
    u_char           *text, *path;
    ssize_t           n;
    ngx_file_t        file;
    ngx_file_info_t   info;

    n = NGX_ERROR;

    path = ngx_pnalloc(cf->temp_pool, name->len + 1);
    if (path == NULL) {
        return NGX_ERROR;
    }

    ngx_cpystrn(path, name->data, name->len + 1);
    ngx_memzero(&file, sizeof(ngx_file_t));
    file.name.data = path;
    file.name.len = name->len;
    file.log = cf->log;
    file.fd = ngx_open_file(path, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (file.fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_open_file_n " \"%s\" failed", path);
        return NGX_ERROR;
    }

    if (ngx_fd_info(file.fd, &info) == NGX_FILE_ERROR
        || ngx_file_size(&info) > NGX_HTTP_SCIM_SCHEMA_SIZE_MAX)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%s\" is no schema file: larger than 1 MB", path);
        goto done;
    }

    text = ngx_pnalloc(cf->temp_pool, ngx_file_size(&info) + 1);
    if (text) {
        n = ngx_read_file(&file, text, ngx_file_size(&info), 0);
        schema->name = (char *) path;
        schema->text = (char *) text;
        schema->len = ngx_max(n, 0);
    }

done:

    ngx_close_file(file.fd);

    return n == NGX_ERROR ? NGX_ERROR : NGX_OK;
}


static ngx_int_t
ngx_http_scim_schema_files(ngx_conf_t *cf, ngx_str_t *dir, ngx_array_t *files)
{
    ngx_int_t            n;
    ngx_str_t            name;
    ngx_glob_t           glob;
    scim_schema_file_t  *schema;

    if (ngx_conf_full_name(cf->cycle, dir, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_memzero(&glob, sizeof(ngx_glob_t));
    glob.log = cf->log;
    glob.test = 1;
    glob.pattern = ngx_pnalloc(cf->temp_pool,
                               dir->len + sizeof("/*.json"));
    if (glob.pattern == NULL) {
        return NGX_ERROR;
    }

    *ngx_sprintf(glob.pattern, "%V/*.json", dir) = '\0';

    if (ngx_open_glob(&glob) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_open_glob_n " \"%s\" failed", glob.pattern);
        return NGX_ERROR;
    }

    n = NGX_OK;

    while (n == NGX_OK && ngx_read_glob(&glob, &name) == NGX_OK) {
        schema = ngx_array_push(files);
        n = schema ? ngx_http_scim_read_schema(cf, &name, schema) : NGX_ERROR;
    }

    ngx_close_glob(&glob);

    return n;
}


static void
ngx_http_scim_free_schemas(void *data)
{
    scim_schemas_free(data);
}


ngx_int_t
ngx_http_scim_load_schemas(ngx_conf_t *cf, ngx_http_scim_main_conf_t *smcf)
{
    ngx_array_t          files;
    scim_error_t         error = { 0 };
    scim_schema_file_t  *file;
    ngx_pool_cleanup_t  *cleanup;

    cleanup = ngx_pool_cleanup_add(cf->pool, 0);
    if (cleanup == NULL
        || ngx_array_init(&files, cf->temp_pool,
                          scim_embedded_schema_count + 4,
                          sizeof(scim_schema_file_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    file = ngx_array_push_n(&files, scim_embedded_schema_count);
    if (file == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(file, scim_embedded_schemas,
               scim_embedded_schema_count * sizeof(scim_schema_file_t));

    if (smcf->schemas_dir.len
        && ngx_http_scim_schema_files(cf, &smcf->schemas_dir, &files)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    smcf->schemas = scim_schemas_new(files.elts, files.nelts, &error);
    if (smcf->schemas == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "scim schemas: %s",
                           error.detail);
        return NGX_ERROR;
    }

    cleanup->handler = ngx_http_scim_free_schemas;
    cleanup->data = smcf->schemas;

    return NGX_OK;
}
