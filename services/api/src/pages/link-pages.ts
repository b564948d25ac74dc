import { type Html, html } from './html.ts'
import { linkScript } from './link-script.ts'
import { type ServedPage, servedPage } from './page.ts'

/** A page with one form; the token of a link that leads to it follows "#" and isn't sent with it. */
interface LinkPage {
  path: string
  title: string
  about: string
  fields: Html
  /** Where the form's fields and the token go. */
  postTo: string
  button: string
  done: string
}

const linkPages: readonly LinkPage[] = [
  {
    path: '/invitation',
    title: 'Join an account',
    about:
      'You were invited to an account of Lockstep. Choose a name and a password, or give those that you have here already.',
    fields: html`<label>E-mail <input name="email" type="email" autocomplete="username" required maxlength="254"></label>
<label>Name <input name="name" autocomplete="name" maxlength="100"></label>
<label>Password <input name="password" type="password" autocomplete="new-password" required maxlength="256"></label>
<label>Code of your authenticator app, if you have set one up here <input name="code" autocomplete="one-time-code" maxlength="64"></label>`,
    postTo: '/v1/invitations/accept',
    button: 'Join',
    done: 'You are a member now, and signed in.',
  },
  {
    path: '/password-reset',
    title: 'Choose another password',
    about: 'With it you are signed out everywhere, and sign in again with the new password.',
    fields: html`<label>New password <input name="password" type="password" autocomplete="new-password" required maxlength="256"></label>`,
    postTo: '/v1/password-resets/use',
    button: 'Change the password',
    done: 'The password is changed. Sign in with it.',
  },
  {
    path: '/sign-in/code',
    title: 'One more step',
    about: 'Your account here asks for a code, beside what you have said at the provider.',
    fields: html`<label>Code of your authenticator app, or a recovery code <input name="code" autocomplete="one-time-code" required maxlength="64"></label>`,
    postTo: '/v1/session/code',
    button: 'Sign in',
    done: 'You are signed in.',
  },
  {
    path: '/forgotten-password',
    title: 'Forgotten password',
    about: 'A link to another password is mailed to you, if your e-mail is known here.',
    fields: html`<label>E-mail <input name="email" type="email" autocomplete="username" required maxlength="254"></label>`,
    postTo: '/v1/password-resets',
    button: 'Mail the link',
    done: 'Look into your mail.',
  },
]

const style = `
:root { color-scheme: light dark; --quiet: #666; --bad: #b00; --link: #06c; }
@media (prefers-color-scheme: dark) { :root { --quiet: #aaa; --bad: #f88; --link: #6bf; } }
* { box-sizing: border-box; }
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 26rem; margin: 10vh auto; padding: 1rem; }
h1 { font-size: 1.5rem; line-height: 1.25; }
p { color: var(--quiet); }
label { display: block; margin: 1rem 0; }
input { display: block; width: 100%; padding: .5rem; font: inherit; }
button { padding: .5rem 1rem; font: inherit; }
output { display: block; margin: 1rem 0; }
output.bad { color: var(--bad); }
a { color: var(--link); }
`

/** The pages for people who are not signed in, by path. */
export const servedLinkPages: ReadonlyMap<string, ServedPage> = new Map(
  linkPages.map((page) => [page.path, serve(page)]),
)

function serve({ title, about, fields, postTo, button, done }: LinkPage): ServedPage {
  const body = html`<main>
<h1>${title}</h1>
<p>${about}</p>
<form data-post-to="${postTo}" data-done="${done}">
${fields}
<button>${button}</button>
</form>
<output role="status"></output>
<p><a href="/docs">Documentation of the API</a></p>
</main>`
  return servedPage({ title: `${title} · Lockstep`, style, script: linkScript, body })
}
