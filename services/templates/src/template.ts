import type { GraphTemplate } from '@lockstep/whatsapp'

/**
 * Lists and webhooks write a language as `en_US` or `en-US` (meta-cloud-api.md §5): one of the two,
 * so that it is found.
 */
export function normaliseLanguage(language: string): string {
  return language.replaceAll('-', '_')
}

/** The templates of a page, each name and language once: an upsert can't write a row twice. */
export function uniqueTemplates(templates: GraphTemplate[]): GraphTemplate[] {
  const byNameAndLanguage = new Map<string, GraphTemplate>()
  for (const template of templates) {
    const language = normaliseLanguage(template.language)
    byNameAndLanguage.set(`${template.name} ${language}`, { ...template, language })
  }
  return [...byNameAndLanguage.values()]
}
