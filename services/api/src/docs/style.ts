/** The only style of the page at /docs; the browser's own fonts. */
export const style = `
:root { color-scheme: light dark; --line: #8884; --quiet: #777; --back: #8881; --link: #06c; }
@media (prefers-color-scheme: dark) { :root { --quiet: #999; --link: #6bf; } }
* { box-sizing: border-box; }
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; display: grid; grid-template-columns: 17rem minmax(0, 1fr); }
nav { position: sticky; top: 0; height: 100vh; overflow-y: auto; padding: 1rem; border-right: 1px solid var(--line); font-size: .9rem; }
nav h2 { margin: 1rem 0 .25rem; font-size: .8rem; text-transform: uppercase; color: var(--quiet); }
nav ul { list-style: none; margin: 0; padding: 0; }
main { max-width: 62rem; padding: 1rem 2rem 6rem; }
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
h1, h2, h3, h4 { line-height: 1.25; }
h2 { margin-top: 3rem; padding-bottom: .25rem; border-bottom: 1px solid var(--line); }
h3 a { color: inherit; }
h4 { margin-bottom: .25rem; }
article { margin: 2rem 0; padding-top: .5rem; border-top: 1px solid var(--line); }
code, pre { font: .9em ui-monospace, monospace; }
code { padding: .1em .25em; background: var(--back); border-radius: .25em; }
pre { padding: .75rem; overflow-x: auto; background: var(--back); border-radius: .25em; }
.get { color: #080; } .post { color: #06c; } .put, .patch { color: #a60; } .delete { color: #c00; }
table { width: 100%; border-collapse: collapse; font-size: .9rem; }
th, td { padding: .3rem .5rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
th { color: var(--quiet); font-weight: 600; white-space: nowrap; }
:target { background: #fd03; }
.aside { color: var(--quiet); font-size: .9rem; }
@media (max-width: 50rem) { body { display: block; } nav { position: static; height: auto; border: 0; } main { padding: 1rem; } }
`
