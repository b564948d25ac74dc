export {
  type AuditOptions,
  type AuditReport,
  type AuditResult,
  audit,
  isViolated,
} from './audit.ts'
export { elementKey } from './ground-truth.ts'
