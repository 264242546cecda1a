package account

import "testing"

// Ranges are numbers that the kernel accepts, and never include root.
func FuzzSubIDs(f *testing.F) {
	f.Add([]byte("al:100000:65536\n1500:4294967294:1\nal:0:5\nal:1:4294967295"), "al", 1500)
	f.Fuzz(func(t *testing.T, file []byte, name string, uid int) {
		for _, r := range parseSubIDs(file, name, uid) {
			if r.First < 1 || r.Count < 1 || r.First+r.Count > 1<<32-1 || r.Contains(0) || !r.Contains(r.First) || r.Contains(r.First+r.Count) {
				t.Errorf("%+v", r)
			}
		}
	})
}
