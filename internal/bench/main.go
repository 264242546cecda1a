package main
import ("chrun/internal/headless";"os";"context";"fmt")
func main(){
 s,err:=headless.Start(headless.Options{Compositor:"sway",X11:true,Sound:true,Bus:true,Private:true})
 if err!=nil{fmt.Println(err);os.Exit(1)}
 defer s.Close()
 c:=s.Command(context.Background(),os.Args[1],os.Args[2:]...)
 c.Dir="/";c.Stdin,c.Stdout,c.Stderr=os.Stdin,os.Stdout,os.Stderr
 fmt.Fprintln(os.Stderr,c.Run())
}
