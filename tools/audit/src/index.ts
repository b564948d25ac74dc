export { type AuditOptions, type AuditReport, audit, isViolated } from './audit.ts'
export { elementKey } from './ground-truth.ts'
