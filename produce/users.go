package produce

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/brianvoe/gofakeit/v7"
)

// Users generates people as the tutorial's producer does. The same seed gives the same people; only event_date follows
// the clock. Not safe for concurrent use.
type Users struct {
	fake *gofakeit.Faker
	rng  *rand.Rand
	left int
	ends bool
	now  clock
}

// user has the members in the tutorial's order.
type user struct {
	UUID      string `json:"uuid"`
	EventDate string `json:"event_date"`
	Status    string `json:"status"`
	Name      string `json:"name"`
	LastName  string `json:"last_name"`
	Email     string `json:"email"`
	Phone     int    `json:"phone"`
}

// NewUsers returns a generator of amount people, without end if amount is 0.
func NewUsers(seed uint64, amount int, now func() time.Time) *Users {
	src := rand.NewPCG(seed, 0x05e7)
	return &Users{fake: gofakeit.NewFaker(src, false), rng: rand.New(src), left: amount, ends: amount > 0, now: now}
}

// Next appends a person as JSON. The key is the uuid.
func (g *Users) Next(dst []byte) ([]byte, string, error) {
	if g.ends {
		if g.left == 0 {
			return dst, "", io.EOF
		}
		g.left--
	}
	first, last := g.fake.FirstName(), g.fake.LastName()
	u := user{
		UUID:      g.uuid(),
		EventDate: g.now.now().UTC().Format("2006-01-02T15:04:05.000000"),
		Status:    [...]string{"Active", "Inactive", "Canceled"}[g.rng.IntN(3)],
		Name:      first, LastName: last,
		Email: g.fake.Email(),
		Phone: 900_000_000 + g.rng.IntN(100_000_000),
	}
	raw, err := json.Marshal(u)
	if err != nil {
		return dst, "", err
	}
	return append(dst, raw...), u.UUID, nil
}

// uuid is a random (version 4) UUID out of the seeded source.
func (g *Users) uuid() string {
	a, b := g.rng.Uint64(), g.rng.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", a>>32, a>>16&0xffff, a&0xfff, 0x8000|b>>48&0x3fff, b&0xffffffffffff)
}
