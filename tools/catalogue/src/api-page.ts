import { failures, mayDo, type Right, rights, roles } from '@lockstep/contracts'
import { code, section } from './markdown.ts'

/** A request of the public API, as the page lists it. */
interface Request {
  method: string
  path: string
  right: string
  summary: string
}

/** The public API's requests, error codes and rights as Markdown. */
export function writeApiPage(requests: readonly Request[]): string {
  const sections = [
    '# The public API',
    'Written by `npm run catalogue` from the routes and the tables in [packages/contracts](../packages/contracts/src); do not edit. A running API shows the same with all fields at `/docs`; for programs there is [openapi.json](openapi.json).',
    section('Requests', ['request', 'right', 'does'], requests.map(requestRow)),
    section('Errors', ['code', 'status', 'means', 'what to do'], errorRows()),
    section('Rights', ['right', 'who has it may', ...Object.keys(roles)], rightRows()),
  ]
  return `${sections.join('\n\n')}\n`
}

const requestRow = ({ method, path, right, summary }: Request): string[] => [
  code(`${method} ${path}`),
  code(right),
  summary,
]

function errorRows(): string[][] {
  return Object.entries(failures).map(([name, { http, title, advice }]) => [
    code(name),
    String(http),
    title,
    advice,
  ])
}

/** Which role has which right. */
function rightRows(): string[][] {
  return Object.entries(rights).map(([right, does]) => [
    code(right),
    does,
    ...Object.values(roles).map((held) => (mayDo(held, right as Right) ? 'yes' : '')),
  ])
}
