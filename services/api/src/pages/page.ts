import { createHash } from 'node:crypto'
import { Html, html } from './html.ts'

export interface Page {
  title: string
  style: string
  /** What the page does by itself; without one it may send nothing either. */
  script?: string
  body: Html
}

/** A page as it is served: a browser runs and loads nothing but what is in it. */
export interface ServedPage {
  text: string
  /** The header Content-Security-Policy. */
  policy: string
}

export function servedPage({ title, style, script, body }: Page): ServedPage {
  const text = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${new Html(style)}</style>
</head>
<body>
${body}
${script === undefined ? '' : html`<script>${new Html(script)}</script>`}
</body>
</html>
`.text
  return { text, policy: policyOf(style, script) }
}

function policyOf(style: string, script: string | undefined): string {
  const scripts =
    script === undefined ? [] : [`script-src '${hashOf(script)}'`, "connect-src 'self'"]
  return [
    "default-src 'none'",
    `style-src '${hashOf(style)}'`,
    ...scripts,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}

const hashOf = (text: string): string =>
  `sha256-${createHash('sha256').update(text).digest('base64')}`
