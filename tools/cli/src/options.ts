import { InvalidArgumentError, Option } from '@commander-js/extra-typings'

/** A whole number from 1. */
export function count(text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= 1) return value
  throw new InvalidArgumentError('It must be a whole number from 1.')
}

/** An option that may be given several times. */
export const several = (text: string, before: string[] = []): string[] => [...before, text]

/** `name=value`, several times. */
export function pairs(text: string, before: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('It must be NAME=VALUE, such as body.1=Ana.')
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) }
}

export const limitOption = () =>
  new Option('--limit <n>', 'how many at most').argParser(count).default(100)
