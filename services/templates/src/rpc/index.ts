import { getSync } from './get-sync.ts'
import { getTemplate } from './get-template.ts'
import { listTemplates } from './list-templates.ts'
import { startSync } from './start-sync.ts'

export const methods = { startSync, getSync, listTemplates, getTemplate }

export const callers = {
  getSync: ['api'],
  getTemplate: ['api', 'campaigns'],
  listTemplates: ['api'],
  startSync: ['api'],
} as const
