/** A piece of HTML: what was put into it is escaped. */
export class Html {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

type Part = string | number | Html | readonly Html[] | false | null | undefined

/** Escapes what is put in, unless it is HTML itself. Nothing stands for false, null and undefined. */
export function html(fixed: TemplateStringsArray, ...parts: Part[]): Html {
  const text = fixed.map((piece, at) => piece + (at < parts.length ? textOf(parts[at]) : ''))
  return new Html(text.join(''))
}

function textOf(part: Part): string {
  if (part === false || part === null || part === undefined) return ''
  if (part instanceof Html) return part.text
  if (typeof part === 'object') return part.map(({ text }) => text).join('')
  return String(part).replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

/** A text with code in backticks. */
export function withCode(text: string): Html {
  const pieces = text.split('`')
  const parts = pieces.map((piece, at) => (at % 2 ? html`<code>${piece}</code>` : html`${piece}`))
  return html`${parts}`
}
