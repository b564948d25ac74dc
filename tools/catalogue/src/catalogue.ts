import {
  callLimits,
  events,
  failures,
  lanes,
  locks,
  rateLimits,
  sendLimits,
  services,
  streams,
} from '@lockstep/contracts'
import { code, section } from './markdown.ts'
import type { Source } from './sources.ts'

/** The catalogue as Markdown: every shared name of the system, from the tables of `packages/contracts`, with the files that use it. */
export function writeCatalogue(sources: readonly Source[]): string {
  const uses = (literal: RegExp) =>
    sources.filter(({ text }) => literal.test(text)).map(({ file }) => file)
  const sections = [
    '# Catalogue',
    'Written by `npm run catalogue` from the tables in [packages/contracts](../packages/contracts/src); do not edit. `npm test` fails when it is out of date.',
    section(
      'Services',
      ['service', 'works on lanes', 'produces for lanes', 'takes locks'],
      serviceRows(uses),
    ),
    section(
      'Locks',
      ['name', 'key', 'TTL', 'when busy', 'fence', 'guards', 'used in'],
      lockRows(uses),
    ),
    section('Rate limits', ['name', 'key', 'default', 'guards', 'used in'], limitRows(uses)),
    section(
      'Streams',
      ['stream', 'subjects', 'retention', 'kept', 'consumers', 'purpose'],
      streamRows(),
    ),
    section(
      'Lanes',
      ['lane', 'subjects', 'producer → worker', 'key', 'work', 'used in'],
      laneRows(uses),
    ),
    section(
      'Failures',
      ['failure', 'means', 'gRPC', 'HTTP', 'try again', 'thrown in'],
      failureRows(uses),
    ),
    section('Events', ['event', 'subject', 'used in'], eventRows(uses)),
  ]
  return `${sections.join('\n\n')}\n`
}

type Uses = (literal: RegExp) => string[]

/** A name as a string in the code. */
const quoted = (name: string) => new RegExp(`['"\`]${name.replaceAll('.', '\\.')}['"\`]`)

function serviceRows(uses: Uses): string[][] {
  return services.map((service) => {
    const isOurs = (file: string) => file.startsWith(`services/${service}/`)
    const held = Object.keys(locks).filter((name) => uses(quoted(name)).some(isOurs))
    const lanesOf = (side: 'producer' | 'worker') =>
      Object.entries(lanes).flatMap(([name, lane]) => (lane[side] === service ? [name] : []))
    return [
      `[${service}](../services/${service})`,
      codes(lanesOf('worker')),
      codes(lanesOf('producer')),
      codes(held),
    ]
  })
}

function lockRows(uses: Uses): string[][] {
  return Object.entries(locks).map(([name, { key, ttlMs, whenBusy, fence, guards }]) => [
    code(name),
    code(key('{id}')),
    duration(ttlMs),
    whenBusy,
    fence ? 'yes' : 'no',
    guards,
    links(uses(quoted(name))),
  ])
}

function limitRows(uses: Uses): string[][] {
  const { reserve, perSecond, pair, backoff } = sendLimits
  const sendUses = (name: string) =>
    links(uses(new RegExp(`sendLimits\\.${name}\\b|\\b${name}\\b[^;\\n]*= sendLimits`)))
  return [
    ...Object.entries(rateLimits).map(([name, { key, limit, perMs, windowMs, guards }]) => [
      code(name),
      code(key('{id}')),
      `${limit} in ${duration(perMs)} (kept: ${duration(windowMs)})`,
      guards,
      links(uses(new RegExp(`${quoted(name).source}|rateLimits\\.${name}\\b`))),
    ]),
    ...Object.entries(callLimits).map(([name, { key, perMinute, guards }]) => [
      code(name),
      code(key('{id}')),
      `${perMinute.toLocaleString('en-US')} in 1 min, a quarter of them at once`,
      guards,
      links(uses(new RegExp(`${quoted(name).source}|callLimits\\.${name}\\b`))),
    ]),
    [
      'reserve',
      code(reserve.key('{id}')),
      `${reserve.share * 100} % of the minute`,
      'replies, which bulk may not use up',
      sendUses('reserve'),
    ],
    [
      'perSecond',
      code(perSecond.key('{id}')),
      `the connection's, in ${duration(perSecond.perMs)} (kept: ${duration(perSecond.windowMs)})`,
      `messages of a second; ${perSecond.replyShare * 100} % are kept for replies`,
      sendUses('perSecond'),
    ],
    [
      'pair',
      code(pair.key('{id}', '{recipient}')),
      `1 in ${duration(pair.perMs)}`,
      'messages to one person from one number',
      sendUses('pair'),
    ],
    [
      'backoff',
      code(backoff.key('{id}')),
      'adaptive',
      'a connection that Meta throttled',
      sendUses('backoff'),
    ],
  ]
}

function streamRows(): string[][] {
  return Object.entries(streams).map(
    ([name, { subjects, retention, maxAgeMs, maxConsumers, purpose }]) => [
      code(name),
      codes(subjects),
      retention,
      duration(maxAgeMs),
      String(maxConsumers),
      purpose,
    ],
  )
}

function laneRows(uses: Uses): string[][] {
  return Object.entries(lanes).map(
    ([name, { prefix, partitions, producer, worker, key, work }]) => [
      code(name),
      code(`${prefix}0…${partitions - 1}`),
      producer === worker ? producer : `${producer} → ${worker}`,
      key,
      work,
      links(uses(quoted(name))),
    ],
  )
}

/** Failures are thrown everywhere, so the places are folders. */
function failureRows(uses: Uses): string[][] {
  return Object.entries(failures).map(([name, { title, grpc, http, retry }]) => {
    const files = uses(new RegExp(`new AppError\\(\\s*'${name}'`))
    const folders = [...new Set(files.map((file) => file.split('/').slice(0, 2).join('/')))]
    return [code(name), title, String(grpc), String(http), retry ? 'yes' : 'no', links(folders)]
  })
}

function eventRows(uses: Uses): string[][] {
  return Object.entries(events).map(([name, subject]) => [
    code(name),
    code(subject),
    links(uses(new RegExp(`events\\.${name}\\b`))),
  ])
}

const codes = (texts: readonly string[]): string => texts.map(code).join(', ')

/** Links to files, seen from docs/, without the parts of the path that all share. */
function links(files: readonly string[]): string {
  return files
    .map(
      (file) => `[${file.replace(/^(packages|services)\//, '').replace('/src/', '/')}](../${file})`,
    )
    .join(', ')
}

function duration(ms: number): string {
  const units = [
    [86_400_000, 'd'],
    [3_600_000, 'h'],
    [60_000, 'min'],
    [1_000, 's'],
  ] as const
  const [size, unit] = units.find(([size]) => ms >= size && ms % size === 0) ?? [1, 'ms']
  return `${ms / size} ${unit}`
}
