#include "scim_join_page.h"

#include <string.h>

static const char head[] =
    "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
    "\n<meta name=\"robots\" content=\"noindex\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n<title>";

static const char style[] =
    "</title>\n<style>\n"
    ":root{--text:#1c2330;--quiet:#586174;--page:#eef1f6;--card:#fff;"
    "--line:#d9dee8;--act:#1f5fd0;--on-act:#fff;--done:#1a7f4b}\n"
    "@media(prefers-color-scheme:dark){:root{--text:#e8ebf2;--quiet:#a3adbf;"
    "--page:#12161e;--card:#1c222d;--line:#343d4c;--act:#83adff;"
    "--on-act:#0c1220;--done:#63cf97}}\n"
    "*,*::before{box-sizing:border-box}\n"
    "body{margin:0;padding:clamp(1rem,5vw,4rem) 1rem;background:var(--page);"
    "color:var(--text);font:1rem/1.55 system-ui,sans-serif}\n"
    "main{max-width:36rem;margin:0 auto;padding:clamp(1.25rem,5vw,2.5rem);"
    "background:var(--card);border:1px solid var(--line);"
    "border-radius:.9rem}\n"
    "h1{margin:0 0 .75rem;font-size:1.6rem;line-height:1.25}\n"
    "h1,h2,p,dd{overflow-wrap:anywhere}\n"
    "p{margin:.4rem 0}\n"
    ".quiet,dt{color:var(--quiet)}\n"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.35rem 1.25rem;"
    "margin:1.5rem 0;padding:1rem 0;border:solid var(--line);"
    "border-width:1px 0}\n"
    "dd{margin:0}\n"
    "ol{list-style:none;margin:0;padding:0}\n"
    "li{position:relative;padding:0 0 1.4rem 3rem}\n"
    "li:last-child{padding-bottom:0}\n"
    "li::before{content:attr(data-mark);position:absolute;left:0;top:0;"
    "width:2rem;height:2rem;line-height:1.8rem;text-align:center;"
    "border:2px solid var(--line);border-radius:50%;color:var(--quiet);"
    "font-weight:600}\n"
    "li[aria-current]::before{border-color:var(--act);color:var(--act)}\n"
    "li.done::before{background:var(--done);border-color:var(--done);"
    "color:var(--card)}\n"
    "h2{margin:0;padding:.3rem 0;font-size:1.1rem;line-height:1.3}\n"
    ".tag{margin-left:.5rem;font-size:.85rem;font-weight:400;"
    "color:var(--quiet)}\n"
    "button{margin-top:.7rem;padding:.7rem 1.4rem;border:0;"
    "border-radius:.5rem;background:var(--act);color:var(--on-act);"
    "font:inherit;font-weight:600;cursor:pointer}\n"
    "button:hover{filter:brightness(1.1)}\n"
    "button:focus-visible{outline:3px solid var(--text);outline-offset:2px}\n"
    "@media(max-width:26rem){dl{grid-template-columns:1fr;gap:0}"
    "dd{margin-bottom:.5rem}button{width:100%}}\n"
    "</style>\n</head>\n<body>\n<main>\n";

static const char foot[] = "</main>\n</body>\n</html>\n";

/* Where the person stands. */
typedef enum { AT_ACCEPT, AT_ACCOUNT, AT_CONNECT, AT_END } stage_t;


static void
add(scim_buffer_t *out, const char *text)
{
    scim_buffer_append_text(out, text);
}


/* Text as it is meant, in content and in attributes. */
static void
add_escaped(scim_buffer_t *out, const char *text)
{
    for ( ; *text; text++) {
        switch (*text) {
        case '&':
            add(out, "&amp;");
            break;
        case '<':
            add(out, "&lt;");
            break;
        case '>':
            add(out, "&gt;");
            break;
        case '"':
            add(out, "&quot;");
            break;
        case '\'':
            add(out, "&#39;");
            break;
        default:
            scim_buffer_append_char(out, *text);
        }
    }
}


/* Markup in which each "~" is the next of the texts. */
static void
add_with(scim_buffer_t *out, const char *markup, const char *const *texts)
{
    for ( ; *markup; markup++) {
        if (*markup == '~') {
            add_escaped(out, *texts++);
        } else {
            scim_buffer_append_char(out, *markup);
        }
    }
}


static void
begin(scim_buffer_t *out, const char *title, const char *const *texts)
{
    add(out, head);
    add_with(out, title, texts);
    add(out, style);
    add(out, "<h1>");
    add_with(out, title, texts);
    add(out, "</h1>\n");
}


static bool
is(const scim_join_page_t *page, const char *state)
{
    return strcmp(page->state, state) == 0;
}


static stage_t
stage_of(const scim_join_page_t *page)
{
    bool accepted = page->accepted || is(page, "accepted");

    if (page->connected || is(page, "connected")) {
        return AT_END;
    }
    return !accepted ? AT_ACCEPT : page->account ? AT_CONNECT : AT_ACCOUNT;
}


/* Why there is nothing to do for now, or NULL. */
static const char *
obstacle(const scim_join_page_t *page)
{
    if (is(page, "waitlisted")) {
        return "No seat is free at the moment. You are in line, and this "
            "page goes on as soon as there is one.";
    }
    if (is(page, "held")) {
        return "Your access is being looked at by an administrator. Nothing "
            "changes until they have decided.";
    }
    return NULL;
}


static void
add_row(scim_buffer_t *out, const char *label, const char *text)
{
    const char *texts[] = { label, text };

    if (*text) {
        add_with(out, "<dt>~</dt><dd>~</dd>\n", texts);
    }
}


static void
add_facts(const scim_join_page_t *page, scim_buffer_t *out)
{
    const char *texts[] = { page->access_role };

    add(out, "<dl>\n");
    add_row(out, "App", page->app);
    add_row(out, "Invited", page->person);
    if (strcmp(page->person, page->email) != 0) {
        add_row(out, "Address", page->email);
    }
    add_row(out, "Workspace", page->workspace);
    add(out, "<dt>Your role</dt><dd>");
    add_with(out, page->owner
        ? "You look after this app, as one of its owners, and work in it as "
          "<strong>~</strong>"
        : "You work in this app as <strong>~</strong>", texts);
    add(out, "</dd>\n</dl>\n");
}


static void
add_step(scim_buffer_t *out, stage_t step, stage_t stage, const char *name,
    const char *text, const char *const *texts)
{
    static const char *const marks[] = { "1", "2", "3" };
    static const char *const words[] = { "accept", "account", "connect" };
    static const char *const buttons[] = { "Accept the invitation",
        "My account exists", "My account is connected" };

    add(out, step < stage ? "<li class=\"done\" data-mark=\"&#10003;\">"
        : step == stage   ? "<li aria-current=\"step\" data-mark=\""
                          : "<li data-mark=\"");
    if (step >= stage) {
        add(out, marks[step]);
        add(out, "\">");
    }
    add(out, "<h2>");
    add_with(out, name, texts);
    add(out, step < stage ? "<span class=\"tag\">done</span></h2>\n"
                          : "</h2>\n");
    if (step == stage) {
        add(out, "<p>");
        add_with(out, text, texts);
        add(out, "</p>\n<form method=\"post\">\n"
            "<input type=\"hidden\" name=\"step\" value=\"");
        add(out, words[step]);
        add(out, "\">\n<button type=\"submit\">");
        add(out, buttons[step]);
        add(out, "</button>\n</form>\n");
    }
    add(out, "</li>\n");
}


static void
add_steps(const scim_join_page_t *page, stage_t stage, scim_buffer_t *out)
{
    const char *texts[] = { page->app, page->email };

    add(out, "<ol>\n");
    add_step(out, AT_ACCEPT, stage, "Accept", "Say that you want to join. "
        "~ may also have sent you a mail of its own: accept that one, too.",
        texts);
    add_step(out, AT_ACCOUNT, stage, "Have an account in ~", *page->email
        ? "Sign up at ~, or sign in, with the address <strong>~</strong>. "
          "Then come back and say so."
        : "Sign up at ~, or sign in. Then come back and say so.", texts);
    add_step(out, AT_CONNECT, stage, "Connect it", "Open ~ once and see that "
        "you are in. That is all.", texts);
    add(out, "</ol>\n");
}


void
scim_join_page(const scim_join_page_t *page, scim_buffer_t *out)
{
    stage_t     stage = stage_of(page);
    const char *why = obstacle(page);
    const char *texts[] = { page->app };

    begin(out, stage == AT_END ? "You are in ~" : "You are invited to ~",
        texts);
    add(out, "<p class=\"quiet\">");
    if (why) {
        add(out, why);
    } else if (stage == AT_END) {
        add(out, "Your account is connected. There is nothing left to do: "
            "you can close this page.");
    } else {
        add(out, "Three short steps. You can stop after each and come back "
            "with the same link.");
    }
    add(out, "</p>\n");
    add_facts(page, out);
    if (why == NULL) {
        add_steps(page, stage, out);
    }
    add(out, foot);
}


void
scim_join_page_error(int status, scim_buffer_t *out)
{
    static const struct {
        int         status;
        const char *title, *text;
    } errors[] = {
        { 400, "That did not work", "The form came in damaged. Go back to "
            "the page and press the button once more." },
        { 404, "This link leads nowhere", "Check that you have all of it. If "
            "you were sent another one since, use the newest." },
        { 405, "That did not work", "This page can only be read and its "
            "buttons pressed." },
        { 410, "This invitation is over", "It ran out, or was withdrawn. If "
            "you still need access, ask whoever invited you to send it "
            "again." },
        { 413, "That did not work", "The form came in damaged. Go back to "
            "the page and press the button once more." },
        { 429, "Too many requests", "Wait a moment and try again." },
        { 0, "That did not work just now", "Nothing was changed. Wait a "
            "moment and try again." }
    };
    size_t      i = 0;
    const char *texts[] = { "" };

    while (errors[i].status && errors[i].status != status) {
        i++;
    }
    begin(out, errors[i].title, texts);
    add(out, "<p>");
    add(out, errors[i].text);
    add(out, "</p>\n");
    add(out, foot);
}
