import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** What takes a minute or more, the longest first. */
const long = ['test/faults/', 'test/race/', 'test/growth/', 'test/webhooks/', 'test/new-service']

/** Begins with what takes long, so that no worker is left with it at the end while the other has nothing to do. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const others = await super.sort(files)
    return others.toSorted((a, b) => placeOf(a) - placeOf(b))
  }
}

function placeOf({ moduleId }: TestSpecification): number {
  const place = long.findIndex((part) => moduleId.includes(`/${part}`))
  return place === -1 ? long.length : place
}
